"""Static files under hashed names, the imports of our own ES modules included."""

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from whitenoise.storage import CompressedManifestStaticFilesStorage

_EXTENSION, _MODULE_IMPORTS = ManifestStaticFilesStorage._js_module_import_aggregation_patterns  # type: ignore[attr-defined]


class HashedStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Import statements are rewritten in static/js alone: htmx's own files name types in comments that do not exist."""

    patterns = (*ManifestStaticFilesStorage.patterns, ("js/*.js", _MODULE_IMPORTS))
    # A chain of imports takes a pass a link.
    max_post_process_passes = 12
