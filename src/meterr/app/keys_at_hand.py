"""The keys of this host by their public names: what a backup that is restored here can count on."""

from meterr.app import encryption
from meterr.app.gateway_process import PEPPER_FILE, keyring
from meterr.core.backup import Keys
from meterr.core.settings import Settings


def keys_at_hand(settings: Settings) -> Keys:
    """Return them; none is fine. Raises KeyRefused, PepperRefused for what cannot be used."""
    keks = encryption.configured(settings)
    has_pepper = settings.key_pepper is not None or (settings.data_dir / PEPPER_FILE).exists()
    return Keys(
        keks={key.kid: key.verifier for key in keks or ()},
        peppers=[pepper.id for pepper in keyring(settings).accepted] if has_pepper else [],
    )
