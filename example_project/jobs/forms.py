"""The form that asks for a year."""

from django import forms


class YearForm(forms.Form):
    city = forms.CharField(max_length=100, initial="Tokyo")
