terraform {
  required_version = ">= 1.9"

  # Exactly the versions that the tests read the schemas of. `terraform providers lock` adds their checksums (docs/deploy.md).
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "5.10.0"
    }
    azapi = {
      source  = "Azure/azapi"
      version = "2.13.0"
    }
  }
}

provider "azurerm" {
  features {
    resource_group {
      # Azure puts things of its own beside Application Insights, and they would keep `terraform destroy` from its end.
      prevent_deletion_if_contains_resources = false
    }
  }

  subscription_id     = var.subscription_id
  storage_use_azuread = true # the account for the data accepts no key

  # A new subscription knows none of these; the provider registers nothing unasked.
  resource_providers_to_register = [
    "Microsoft.EventGrid",
    "Microsoft.KeyVault",
    "Microsoft.Logic",
    "Microsoft.ManagedIdentity",
    "Microsoft.OperationalInsights",
    "Microsoft.ServiceBus",
    "Microsoft.Storage",
    "Microsoft.Web",
    "microsoft.insights",
  ]
}

provider "azapi" {
  subscription_id = var.subscription_id
}
