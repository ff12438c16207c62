"""The settings of the tests: short periods, fast hashing, nothing outside the machine."""

import os

os.environ.setdefault("SECRET_KEY", "a-key-for-tests-only-" + "x" * 40)
os.environ.setdefault("FIELD_ENCRYPTION_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")

from config.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES = {  # type: ignore[no-redef]
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
RUN_HEARTBEAT_SECONDS = 1.0
RUN_STALE_SECONDS = float(os.environ.get("TEST_STALE_SECONDS", "10"))  # a crowded machine pauses the living
SWEEP_SECONDS = 1.0
QUEUE_TIMEOUT_SECONDS = 60
DETECTOR_PRESET = "tiny"
INSTALLED_APPS = [*INSTALLED_APPS, "tests.work"]  # noqa: F405
