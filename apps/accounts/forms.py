"""What people type into the pages of the accounts app."""

from __future__ import annotations

from django import forms

from apps.accounts.models import Organization, Theme, User


class OrganizationForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Organization
        fields = ["name"]
        labels = {"name": "Name of the organization"}
        help_texts = {"name": "People you invite see this name. It can be changed later."}


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ["name", "theme"]
        labels = {"name": "Your name", "theme": "Theme"}
        help_texts = {"name": "Shown to members of your organizations, beside your work."}


class ThemeForm(forms.Form):
    theme = forms.ChoiceField(choices=Theme.choices)
    next = forms.CharField(required=False)
