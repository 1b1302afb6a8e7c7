variable "subscription_id" {
  description = "The Azure subscription."
  type        = string
}

variable "resource_group_name" {
  description = "The output AZURE_RESOURCE_GROUP."
  type        = string
}

variable "function_app_name" {
  description = "The output FUNCTION_APP_NAME."
  type        = string
}

variable "system_topic_name" {
  description = "The output SYSTEM_TOPIC_NAME."
  type        = string
}

variable "storage_account_name" {
  description = "The output STORAGE_ACCOUNT_NAME."
  type        = string
}
