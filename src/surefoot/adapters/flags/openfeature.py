"""Flags of any vendor, by way of an OpenFeature client (specification 0.8, flag evaluation)."""

# The package is typed and says so; pyright does not see that of its inner packages.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Mapping

from ...errors import Unavailable, UsageError

__all__ = ["OpenFeatureFlags"]


class OpenFeatureFlags:
    """Boolean flags of an OpenFeature client. The unit is the targeting key, the rest are attributes."""

    def __init__(self, client: object) -> None:
        """Raises UsageError for anything but an OpenFeature client, and where its package is not installed."""
        try:
            from openfeature.client import OpenFeatureClient
        except ModuleNotFoundError as error:
            raise UsageError("flags need the OpenFeature SDK", hint="pip install 'surefoot[openfeature]'") from error
        if not isinstance(client, OpenFeatureClient):
            raise UsageError(
                f"flags is no OpenFeature client but {type(client).__name__}",
                hint="openfeature.api.get_client(), after set_provider(...)",
            )
        self._client = client

    def is_on(self, flag: str, unit: str, known: Mapping[str, str], /) -> bool:
        """
        The flag's value. Raises Unavailable for anything but a value that the provider stands for.

        An evaluation that fails hands out the default, and so do a disabled flag and a client without a provider: none
        of them has assigned anybody to anything.
        """
        from openfeature.evaluation_context import EvaluationContext
        from openfeature.flag_evaluation import Reason
        from openfeature.provider.no_op_provider import PASSED_IN_DEFAULT

        context = EvaluationContext(targeting_key=unit, attributes=known)
        details = self._client.get_boolean_details(flag, default_value=False, evaluation_context=context)
        if details.error_code is not None:
            raise Unavailable(
                f"{details.error_code.value}: {details.error_message or 'the flag could not be evaluated'}",
                hint="look at the provider: the flag has to be there, and boolean",
            )
        if details.reason == Reason.DISABLED or details.variant == PASSED_IN_DEFAULT:
            raise Unavailable("the flag is disabled, or there is no provider", hint="switch the flag on in its system")
        return details.value
