"""Paths of the warehouse app."""

from django.urls import URLPattern, URLResolver, include, path

from apps.warehouse.views import datasets, exports, images, imports, labelsets, storages, uploads

app_name = "warehouse"

_dataset: list[URLPattern | URLResolver] = [
    path("", datasets.dataset, name="dataset"),
    path("edit/", datasets.edit_dataset, name="edit-dataset"),
    path("upload/", uploads.upload, name="upload"),
    path("upload/begin/", uploads.begin_upload, name="begin-upload"),
    path("import/<slug:way>/", imports.begin, name="begin-import"),
    path("delete/", datasets.delete_dataset, name="delete-dataset"),
    path("datapoints/<uuid:uid>/", datasets.datapoint, name="datapoint"),
]
_labelset: list[URLPattern | URLResolver] = [
    path("", labelsets.labelset, name="labelset"),
    path("entries/<int:number>/", labelsets.entry, name="entry"),
    path("export/", exports.begin, name="begin-export"),
    path("export/file/", exports.export, name="labelset-export"),
    path("delete/", labelsets.delete_labelset, name="delete-labelset"),
]
_storage: list[URLPattern | URLResolver] = [
    path("validate/", storages.validate, name="validate-storage"),
    path("keys/", storages.rotate, name="rotate-storage"),
    path("delete/", storages.delete, name="delete-storage"),
]
_import: list[URLPattern | URLResolver] = [
    path("", imports.import_page, name="import"),
    path("failures/", imports.failures, name="import-failures"),
    path("retry/", imports.retry, name="retry-import"),
    path("undo/", imports.undo, name="undo-import"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("imports/", imports.imports, name="imports"),
    path("imports/<int:pk>/", include(_import)),
    path("storage/", storages.storages, name="storages"),
    path("storage/guide/", storages.guide, name="guide"),
    path("storage/<int:pk>/", include(_storage)),
    path("datasets/", datasets.datasets, name="datasets"),
    path("datasets/<int:pk>/", include(_dataset)),
    path("uploads/<int:pk>/files/", uploads.upload_file, name="upload-file"),
    path("labelsets/", labelsets.labelsets, name="labelsets"),
    path("labelsets/<int:pk>/", include(_labelset)),
    path("images/<uuid:uid>/", images.image, name="datapoint-image"),
    path("images/<uuid:uid>/thumbnail/", images.thumbnail, name="datapoint-thumbnail"),
]
