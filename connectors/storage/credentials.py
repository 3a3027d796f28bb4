"""Credentials by boto3's chain: environment, profile, web identity, container, instance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore import UNSIGNED
from botocore.credentials import Credentials as Found
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader, create_loader
from botocore.session import Session

from connectors.errors import AccessError
from connectors.storage.addresses import check_region
from connectors.storage.options import StorageOptions

if TYPE_CHECKING:
    from obstore.store import S3Credential

TTL = timedelta(minutes=10)
"""How long an answer of the chain is said to hold. obstore asks again 5 minutes before that; botocore gives out none
that ends in less than 10 minutes."""


class Credentials:
    """Found when first asked for, asked again every 5 minutes. Prints and pickles no secret."""

    def __init__(self, options: StorageOptions) -> None:
        self._options = options

    def __repr__(self) -> str:
        return f"Credentials(profile={self._options.profile!r})"

    def __reduce__(self) -> tuple[type[Credentials], tuple[StorageOptions]]:
        return type(self), (self._options,)

    def find(self) -> None:
        """Asks the chain now. Raises AccessError where it finds nothing."""
        if not self._options.anonymous:
            self._current()

    def __call__(self) -> S3Credential:
        found = self._current()
        return {
            "access_key_id": found.access_key or "",
            "secret_access_key": found.secret_key or "",
            "token": found.token,
            "expires_at": datetime.now(UTC) + TTL,
        }

    @property
    def region(self) -> str:
        """Raises AccessError STORE_REGION for what cannot be one."""
        name = self._options.region_name() or self.session.region_name or "us-east-1"
        check_region(name)
        return name

    @property
    def unsigned(self) -> dict[str, Any]:
        """What botocore's Config wants for requests that are not signed."""
        return {"signature_version": UNSIGNED} if self._options.anonymous else {}

    def as_environment(self) -> dict[str, str]:
        """The credentials under the names of AWS's environment variables. Secret."""
        if self._options.anonymous:
            return {"AWS_SKIP_SIGNATURE": "true"}
        found = self._current()
        named = {"AWS_ACCESS_KEY_ID": found.access_key, "AWS_SECRET_ACCESS_KEY": found.secret_key}
        if found.token:
            named["AWS_SESSION_TOKEN"] = found.token
        return {name: value for name, value in named.items() if value}

    @cached_property
    def session(self) -> boto3.Session:
        """boto3's session. Raises AccessError where the profile cannot be used."""
        try:
            own = Session(profile=self._options.profile)
            models = _models(own.get_config_variable("data_path"))
            own.register_component("data_loader", models)
            session = boto3.Session(botocore_session=own)
            models.search_paths[:] = dict.fromkeys(models.search_paths)  # each session adds the same path
            return session
        except BotoCoreError as error:
            raise AccessError(
                "CREDENTIALS_MISSING", f"the AWS profile cannot be used ({type(error).__name__})"
            ) from None

    def _current(self) -> ReadOnlyCredentials:
        try:
            return self._found.get_frozen_credentials()
        except (BotoCoreError, ClientError) as error:
            raise AccessError("CREDENTIALS_MISSING", f"AWS gives no credentials: {type(error).__name__}") from None

    @cached_property
    def _found(self) -> Found:
        try:
            found = self.session.get_credentials()
        except BotoCoreError as error:
            raise AccessError("CREDENTIALS_MISSING", f"no AWS credentials: {type(error).__name__}") from None
        if found is None:
            raise AccessError("CREDENTIALS_MISSING", "no AWS credentials were found by boto3's chain")
        return found


@cache
def _models(path: str | None) -> Loader:
    """AWS's descriptions of its services. They are read once a process and not once a store: 0.2 s each time."""
    return create_loader(path)
