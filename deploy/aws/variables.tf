variable "name" {
  description = "Begins the names of all that is made."
  type        = string
  default     = "ephemeralml"
}

variable "vpc_id" {
  description = "Network of the instance."
  type        = string
}

variable "subnet_id" {
  description = "Subnet of the instance."
  type        = string
}

variable "client_cidrs" {
  description = "Addresses from which clients may come."
  type        = list(string)
}

variable "artifacts_bucket" {
  description = "Bucket that holds enclave.eif and host.tar.gz."
  type        = string
}

variable "artifacts_prefix" {
  description = "Begins their names: empty, or a folder that ends in a slash."
  type        = string
  default     = ""
}

variable "architecture" {
  description = "x86_64 or arm64; the image and the host must have been built for it."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "The architecture is x86_64 or arm64."
  }
}

variable "instance_type" {
  description = "A Nitro type with at least 4 virtual processors (Graviton: 2): the enclave takes whole cores."
  type        = string
  default     = "m6i.2xlarge"
}

variable "enclave_memory_mib" {
  description = "The enclave's memory: docs/deploy-aws.md has the table."
  type        = number
  default     = 6144

  validation {
    condition     = var.enclave_memory_mib >= 1024
    error_message = "An enclave needs 1 GiB at least."
  }
}

variable "enclave_processors" {
  description = "The enclave's virtual processors: an even number on x86_64."
  type        = number
  default     = 4
}

variable "port" {
  description = "Where clients reach the host."
  type        = number
  default     = 8081
}

variable "disk_gib" {
  description = "Disk for the system and the sealed blobs."
  type        = number
  default     = 64
}
