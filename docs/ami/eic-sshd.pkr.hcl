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

source "amazon-ebs" "image" {
  ami_name      = "eic-sshd-{{timestamp}}"
  source_ami    = var.source_ami
  instance_type = "t3.micro"
  ssh_username  = var.ssh_username
}

build {
  sources = ["source.amazon-ebs.image"]

  provisioner "shell" {
    inline = ["mkdir /tmp/eic-sshd"]
  }
  provisioner "file" {
    sources     = ["install.sh", var.package]
    destination = "/tmp/eic-sshd/"
  }
  provisioner "shell" {
    inline = ["sudo sh /tmp/eic-sshd/install.sh && rm -r /tmp/eic-sshd"]
  }
}
