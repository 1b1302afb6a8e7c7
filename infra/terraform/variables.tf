variable "subscription_id" {
  description = "The Azure subscription."
  type        = string
}

variable "environment_name" {
  description = "Name of this deployment, for example printiq-uat. It becomes part of the resource names."
  type        = string

  validation {
    condition     = length(var.environment_name) > 0 && length(var.environment_name) <= 20
    error_message = "environment_name has 1 to 20 characters."
  }
}

variable "location" {
  description = "Azure region. It must offer Flex Consumption, for production with availability zones."
  type        = string
}

variable "tier" {
  description = "Which file of environments/ applies: uat or prod."
  type        = string

  validation {
    condition     = contains(["uat", "prod"], var.tier)
    error_message = "tier is uat or prod."
  }
}

variable "site" {
  description = "Names the printIQ site: the source of every result event is /printiq/{site}."
  type        = string

  validation {
    condition     = length(var.site) > 0
    error_message = "site must not be empty."
  }
}

variable "alert_email" {
  description = "Receives the alerts."
  type        = string

  validation {
    condition     = length(var.alert_email) >= 3
    error_message = "alert_email is the address of a mailbox that is read."
  }
}
