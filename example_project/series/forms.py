"""The form with which one subscribes."""

from django import forms


class SubscribeForm(forms.Form):
    name = forms.CharField(max_length=100)
    email = forms.EmailField(max_length=200)
