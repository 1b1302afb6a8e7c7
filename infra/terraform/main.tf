# Everything that the receiver of printIQ events needs in Azure, in one resource group: the same as main.bicep.
# environments/*.json holds what differs between UAT and production; Bicep reads the same files.

locals {
  profile = jsondecode(file("${path.module}/../environments/${var.tier}.json"))
  token   = substr(sha1("${var.subscription_id}/${var.environment_name}/${var.location}"), 0, 13)
  tags = {
    azd-env-name = var.environment_name
    application  = "printiq-event-receiver"
    tier         = var.tier
  }
}

data "azurerm_client_config" "current" {}

resource "azurerm_resource_group" "main" {
  name     = "rg-${var.environment_name}"
  location = var.location
  tags     = local.tags
}

# The function app's identity: made first, so that its roles exist before the app starts.
resource "azurerm_user_assigned_identity" "app" {
  name                = "id-printiq-${local.token}"
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
  tags                = local.tags
}
