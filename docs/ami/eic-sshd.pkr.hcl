# A Packer template: `packer init . && packer build -var source_ami=ami-... -var package=... .`
packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.2"
    }
  }
}

variable "source_ami" {
  type = string
}

variable "ssh_username" {
  type    = string
  default = "admin"
}

variable "package" {
  type        = string
  description = "The .deb or .rpm of eic-sshd."
}

variable "selinux_package" {
  type        = string
  default     = ""
  description = "The .deb or .rpm of eic-sshd-selinux, for images on which SELinux is enforcing."
}

source "amazon-ebs" "image" {
  ami_name      = "eic-sshd-{{timestamp}}"
  source_ami    = var.source_ami
  instance_type = "t3.micro"
  ssh_username  = var.ssh_username
  # Instances of the image have IMDSv2 only, which is all that eic-sshd uses.
  imds_support  = "v2.0"
}

build {
  sources = ["source.amazon-ebs.image"]

  provisioner "shell" {
    inline = ["mkdir /tmp/eic-sshd"]
  }
  provisioner "file" {
    sources     = compact(["install.sh", var.package, var.selinux_package])
    destination = "/tmp/eic-sshd/"
  }
  provisioner "shell" {
    inline = ["sudo sh /tmp/eic-sshd/install.sh && rm -r /tmp/eic-sshd"]
  }
}
