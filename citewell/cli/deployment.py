"""What a deployment's own settings say to the verbs that speak to its database themselves."""

from pydantic import ValidationError

from shared.errors import ConfigurationInvalid
from shared.settings import AuthSettings, DatabaseSettings


def database_url(given: str) -> str:
    """Return the URL that was given, else the deployment's own, past any pooler.

    Raises:
        ConfigurationInvalid: there is none.
    """
    if given:
        return given
    try:
        return DatabaseSettings().migration_url
    except ValidationError as error:
        raise ConfigurationInvalid(
            "No database is named: give --database-url, or set CITEWELL_DATABASE_URL."
        ) from error


def auth_secret(given: str) -> str:
    """Return the secret that was given, else the deployment's own.

    Raises:
        ConfigurationInvalid: there is none, or it is too short.
    """
    try:
        settings = AuthSettings.model_validate({"secret": given}) if given else AuthSettings()
    except ValidationError as error:
        raise ConfigurationInvalid(
            "Set CITEWELL_AUTH_SECRET to the deployment's secret (32 characters or more):"
            " keys are hashed with it."
        ) from error
    return settings.secret.get_secret_value()
