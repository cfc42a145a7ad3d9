"""Forms made from JSON Schemas: what a person fills in becomes a JSON value, and errors come back to their field."""

from .form import SchemaForm

__all__ = ["SchemaForm"]
