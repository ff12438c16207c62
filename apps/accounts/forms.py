"""What people type into the pages of the accounts app."""

from __future__ import annotations

from typing import Any

from allauth.account import forms as account_forms
from allauth.core import context
from django import forms

from apps.accounts import invitations
from apps.accounts.models import ApiKey, Organization, Role, Theme, User

INVITABLE = [(Role.LABELER.value, "Labeler"), (Role.ADMIN.value, "Admin")]


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

    def save(self, commit: bool = True) -> User:
        """These columns alone: another window may have changed the password or the preferences meanwhile."""
        user: User = super().save(commit=False)
        if commit:
            user.save(update_fields=self.Meta.fields)
        return user


class ThemeForm(forms.Form):
    theme = forms.ChoiceField(choices=Theme.choices)
    next = forms.CharField(required=False)


class InviteForm(forms.Form):
    email = forms.EmailField(label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    role = forms.ChoiceField(choices=INVITABLE, initial=Role.LABELER.value)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=INVITABLE)


class ConfirmNameForm(forms.Form):
    """The organization's name, typed to confirm its deletion."""

    confirmation = forms.CharField()

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.organization = organization

    def clean_confirmation(self) -> str:
        typed: str = self.cleaned_data["confirmation"]
        if typed != self.organization.name:
            raise forms.ValidationError("That is not the organization's name. Nothing was deleted.")
        return typed


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = ApiKey
        fields = ["name"]
        help_texts = {"name": "What the key is for, so that you know later which one to revoke."}


class AuditFilterForm(forms.Form):
    verb = forms.ChoiceField(label="What", required=False)
    actor = forms.ModelChoiceField(User.objects.none(), label="Who", required=False, empty_label="Anybody")
    q = forms.CharField(label="Search", required=False, max_length=100)


class _OurWords:
    """allauth's forms in the words of the other pages, without a placeholder that says the label once more."""

    LABELS = {
        "login": "E-mail",
        "email": "E-mail",
        "oldpassword": "Current password",
        "password": "Password",
        "password1": "New password",
        "password2": "New password again",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, forms.Field] = self.fields  # type: ignore[attr-defined]
        for name, field in fields.items():
            field.widget.attrs.pop("placeholder", None)
            field.label = self.LABELS.get(name, field.label)


def _in_our_words(form: type[forms.Form], **labels: str) -> type[forms.Form]:
    return type(form.__name__, (_OurWords, form), {"LABELS": _OurWords.LABELS | labels})


LoginForm = _in_our_words(account_forms.LoginForm)
ResetPasswordForm = _in_our_words(account_forms.ResetPasswordForm)
ResetPasswordKeyForm = _in_our_words(account_forms.ResetPasswordKeyForm)
ReauthenticateForm = _in_our_words(account_forms.ReauthenticateForm)
ChangePasswordForm = _in_our_words(account_forms.ChangePasswordForm)
SetPasswordForm = _in_our_words(account_forms.SetPasswordForm)
AddEmailForm = _in_our_words(account_forms.AddEmailForm, email="New e-mail")


class SignupForm(_OurWords, account_forms.SignupForm):  # type: ignore[misc]
    """Whoever came by an invitation's link finds its address filled in; the link has verified it."""

    LABELS = _OurWords.LABELS | {"password1": "Password"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invitation = invitations.remembered(context.request.session)
        if self.invitation:
            self.fields["email"].initial = self.invitation.email
            self.fields["email"].disabled = True
