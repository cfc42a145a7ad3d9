"""The example of an onboarding: e-mail verification, a written greeting, a person who refines it, a follow-up."""
