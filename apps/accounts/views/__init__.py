"""The pages of the accounts app, one module a subject."""
