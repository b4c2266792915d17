from django.urls import path

from apps.uploads import views

app_name = "uploads"
urlpatterns = [
    path("", views.show, name="list"),
    path("uploads/", views.create, name="create"),
    path("uploads/changes/", views.changes, name="changes"),
    path("uploads/<uuid:upload_id>/file/", views.download, name="download"),
    path("uploads/<uuid:upload_id>/thumbnail/", views.thumbnail, name="thumbnail"),
    path("uploads/<uuid:upload_id>/retry/", views.retry, name="retry"),
    path("uploads/<uuid:upload_id>/delete/", views.delete, name="delete"),
]
