"""The form that asks for a comparison."""

from django import forms


class CompareForm(forms.Form):
    countries = forms.CharField(
        max_length=500, initial="Norway, Kenya, Peru, Atlantis", help_text="Separated by commas."
    )

    def names(self) -> list[str]:
        """The countries that were named, each once."""
        names = (name.strip() for name in self.cleaned_data["countries"].split(","))
        return list(dict.fromkeys(name for name in names if name))
