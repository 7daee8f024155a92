# SPDX-License-Identifier: Apache-2.0
"""A call of an operation: who calls, from where, and in which Region."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Generic, List, Mapping, Optional, Tuple, TypeVar

from ..cloud import access
from ..cloud.cloud import Cloud
from ..cloud.principals import Principal
from ..cloud.region import Region
from ..iam.document import Json
from ..iam.request import Request

Parameters = TypeVar("Parameters")
Output = TypeVar("Output")


@dataclass
class Call:
    """`region` is what the principal's account has in the Region of the request.

    `trail_response` and `resources` are what the trail shows of the answer.
    """

    cloud: Cloud
    region: Region
    principal: Principal
    origin: access.Origin
    request_id: str
    trail_response: Optional[Mapping[str, Json]] = None
    resources: List[Mapping[str, Json]] = field(default_factory=list)

    def require(self, action: str, resource: str = "*", keys: Optional[access.Keys] = None) -> None:
        """Raises AccessDenied unless the principal's policies allow the action."""
        access.require(self.principal, self._request(action, resource, keys))

    def allowed(self, action: str, resource: str = "*", keys: Optional[access.Keys] = None) -> bool:
        """Whether the principal's policies allow the action."""
        return access.decide(self.principal, self._request(action, resource, keys)).allowed

    def denied(self, action: str, resource: str, keys: Optional[access.Keys] = None) -> bool:
        """Whether the principal's policies deny the action explicitly."""
        return access.decide(self.principal, self._request(action, resource, keys)).explicit_deny

    def _request(self, action: str, resource: str, keys: Optional[access.Keys]) -> Request:
        return access.request(self.principal, self.origin, action, resource, keys or {})


@dataclass(frozen=True)
class Operation(Generic[Parameters, Output]):
    """An operation of a service. `read_only` is that of its events in the trail.

    `members` are those of its requests in JSON: the trail shows no others, with which a caller could hide these. Forms
    with unknown parameters are refused.
    """

    run: Callable[[Call, Parameters], Output]
    read_only: bool = True
    members: Tuple[str, ...] = ()
