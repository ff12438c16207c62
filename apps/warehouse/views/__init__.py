"""The pages of the warehouse, one module a subject."""
