"""The form with which one signs up."""

from django import forms

from example_project.onboarding.models import Member


class SignUpForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Member
        fields = ["name", "email", "interest"]
        help_texts = {"interest": "Without one, an editor writes your greeting."}


class RefineForm(forms.Form):
    text = forms.CharField(max_length=2000, widget=forms.Textarea(attrs={"rows": 4}))
