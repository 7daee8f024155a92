# SPDX-License-Identifier: Apache-2.0
"""The names of OS users that EC2 Instance Connect can carry, held to the service's own model."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eic_sshd.decide.checks import USER_NAME, require_user_name
from eic_sshd.model.reasons import NotGranted, Reason


def service_pattern() -> str:
    """InstanceOSUser's, of the botocore that is installed."""
    session = pytest.importorskip("botocore.session").get_session()
    shape = session.get_service_model("ec2-instance-connect").shape_for("InstanceOSUser")
    assert (shape.metadata["min"], shape.metadata["max"]) == (1, 32)
    return str(shape.metadata["pattern"])


def is_taken_by_the_service(pattern: str, name: str) -> bool:
    """As the service's patterns are meant: `$` is the end and not before a last newline."""
    return 1 <= len(name) <= 32 and "\n" not in name and re.search(pattern, name) is not None


def test_exactly_the_user_names_of_the_services_model_are_accepted() -> None:
    pattern = service_pattern()

    @given(st.one_of(st.from_regex(pattern), st.text("aZ09@._-$ /\n\u0661", max_size=34)))
    def agree(name: str) -> None:
        assert (USER_NAME.fullmatch(name) is not None) == is_taken_by_the_service(pattern, name)

    agree()


@pytest.mark.parametrize("name", ["a", "_", "0day", "9.x", "1_", "A" * 32, "1" * 31 + "a", "machine$", "1a$"])
def test_user_name_of_either_form_is_accepted(name: str) -> None:
    require_user_name(name)


@pytest.mark.parametrize(
    "name", ["", "1", "1234", "A" * 33, "1" * 32 + "a", "1$", "$", ".", "-a", "a\n", "a b", "\u00e4"]
)
def test_user_name_of_neither_form_is_refused(name: str) -> None:
    with pytest.raises(NotGranted) as caught:
        require_user_name(name)
    assert caught.value.reason is Reason.USER_NAME_INVALID
