"""The form that asks for a text."""

from django import forms


class PromptForm(forms.Form):
    prompt = forms.CharField(max_length=100, label="A text about")
