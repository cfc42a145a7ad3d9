"""Lets the assertions of ``world`` say what they compared."""

import pytest

pytest.register_assert_rewrite("tests.core.world")
