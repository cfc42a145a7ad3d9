"""Replay and everything it is made of; pure Python and pydantic, no Django."""
