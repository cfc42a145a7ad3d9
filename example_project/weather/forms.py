"""The form that asks for a weather report."""

from django import forms


class LookupForm(forms.Form):
    city = forms.CharField(
        max_length=100,
        initial="San Francisco",
        widget=forms.TextInput(attrs={"list": "cities", "autocomplete": "off", "required": True}),
    )
