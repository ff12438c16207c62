"""News that the accounts app sends; apps above it listen."""

from django.dispatch import Signal

# After commit, when a member was removed or left. Arguments: organization_id, user_id.
membership_ended = Signal()

# Inside the run that deletes an organization, before its rows go: give back stored objects, drop bulk rows.
# Arguments: organization, progress (a callable to call at least every 10 s).
organization_deleting = Signal()
