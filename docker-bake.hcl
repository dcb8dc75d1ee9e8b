// All images in one build, whose compilation is one stage that they share. Without -f, bake reads docker-compose.yml too,
// and that wants the passwords of an .env.
//   docker buildx bake -f docker-bake.hcl
//   REGISTRY=preorder.azurecr.io TAG=1.0.0 docker buildx bake -f docker-bake.hcl --push
variable "REGISTRY" { default = "preorder" }
variable "TAG" { default = "dev" }
variable "VERSION" { default = "0.1.0" }
variable "GIT_COMMIT" { default = "" }
variable "GIT_BRANCH" { default = "" }
variable "BUILD_TIME" { default = "" }

group "default" {
  targets = ["service"]
}

target "service" {
  name = service
  matrix = {
    service = ["prereservation", "payment", "receipt", "myreservation", "account", "gateway"]
  }
  tags = ["${REGISTRY}/${service}:${TAG}"]
  args = {
    SERVICE    = service
    VERSION    = VERSION
    GIT_COMMIT = GIT_COMMIT
    GIT_BRANCH = GIT_BRANCH
    BUILD_TIME = BUILD_TIME
  }
}
