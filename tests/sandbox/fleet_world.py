# SPDX-License-Identifier: Apache-2.0
"""The world of tests/sandbox/fleet.py: two accounts, the first with seven VPCs. Servers listen at `%(target)s`."""

from __future__ import annotations

REGION = "us-east-1"
ACCOUNT, OTHER_ACCOUNT = "123456789012", "210987654321"
FIRST, SECOND, THIRD = "i-1234567890abcdef0", "i-0598c7d356eba48d7", "i-0f00f00f00f00f00f"
STOPPED, FOREIGN = "i-00000000000000001", "i-0000000000000000f"
ENDPOINT, OTHER_ENDPOINT, FOREIGN_ENDPOINT = "eice-123456789abcdef", "eice-0fedcba9876543210", "eice-00000000000000f0f"
VPC, SUBNET = "vpc-0123456789abcdef0", "subnet-0123456789abcdef0"

_SERVERS = "{22: '%(target)s', 3389: '%(target)s', 5432: '%(target)s'}"
# For the quota of endpoints of an account.
_MORE_VPCS = "\n".join(
    f"          vpc-0000000000000000{n}: {{cidrs: [10.{n}.0.0/16], "
    f"subnets: {{subnet-0000000000000000{n}: {{cidr: 10.{n}.0.0/24, tags: {{env: prod}}}}}}}}"
    for n in range(3, 8)
)
WORLD = f"""
endpoint_delay: 60
policies:
  everything: {{Version: '2012-10-17', Statement: [{{Effect: Allow, Action: '*', Resource: '*'}}]}}
accounts:
  '{ACCOUNT}':
    users:
      admin: {{access_keys: {{AKIAADMIN00000000000: admin-secret}}, policies: [everything]}}
      alice: {{access_keys: {{AKIAALICE00000000000: alice-secret}}, tags: {{team: blue}}}}
      bob: {{access_keys: {{AKIABOB0000000000000: bob-secret}}}}
    roles:
      Operators: {{max_session_duration: 7200, tags: {{Team: red}}}}
    regions:
      {REGION}:
        vpcs:
          {VPC}:
            cidrs: [10.0.0.0/16, 'fd00:1::/56']
            tags: {{Name: main}}
            subnets:
              {SUBNET}: {{cidr: 10.0.0.0/20, zone: us-east-1a, tags: {{tier: private}}}}
              subnet-0123456789abcdef1: {{cidr: 10.0.16.0/20, zone: us-east-1b}}
            security_groups:
              sg-00000000000000001: {{name: default}}
              sg-00000000000000002:
                name: endpoint
                egress: [{{ports: all, destinations: [10.0.0.0/16, 'fd00:1::/56']}}]
              sg-00000000000000003:
                name: from-the-group
                ingress: [{{ports: all, sources: [sg-00000000000000002]}}]
              sg-00000000000000004:
                name: from-the-endpoint
                ingress: [{{ports: 22, sources: [10.0.0.99/32, 'fd00:1::/56']}}]
              sg-00000000000000005:
                name: from-the-client
                ingress: [{{ports: 22, sources: [127.0.0.2/32]}}]
              sg-00000000000000006:
                name: to-the-first
                egress: [{{ports: 22, destinations: [10.0.1.0/32]}}]
              sg-00000000000000007:
                name: to-the-group
                egress: [{{ports: 22, destinations: [sg-00000000000000003]}}]
          vpc-0000000000000000b:
            cidrs: [10.1.0.0/16]
            subnets: {{subnet-0000000000000000b: {{cidr: 10.1.0.0/24}}}}
            security_groups: {{sg-0000000000000000b: {{name: default}}}}
{_MORE_VPCS}
        instances:
          {FIRST}:
            {{subnet: {SUBNET}, private_ip: 10.0.1.0, ipv6: 'fd00:1::10', public_ip: 203.0.113.5,
             security_groups: [sg-00000000000000003], tags: {{tag-key: tag-value, Name: first}}, servers: {_SERVERS}}}
          {SECOND}:
            {{subnet: {SUBNET}, private_ip: 10.0.1.1, security_groups: [sg-00000000000000003],
             tags: {{tag-key: other}}, type: t2.micro, servers: {_SERVERS}}}
          {THIRD}:
            {{subnet: {SUBNET}, private_ip: 10.0.1.2, security_groups: [sg-00000000000000003], servers: {_SERVERS}}}
          {STOPPED}:
            {{subnet: {SUBNET}, private_ip: 10.0.1.3, state: stopped, security_groups: [sg-00000000000000003],
             servers: {_SERVERS}}}
          i-0000000000000000b: {{subnet: subnet-0000000000000000b, private_ip: 10.1.0.5, servers: {_SERVERS}}}
        endpoints:
          {ENDPOINT}:
            {{subnet: {SUBNET}, private_ip: 10.0.0.99, security_groups: [sg-00000000000000002],
             ip_address_type: dualstack, tags: {{env: test}}}}
          {OTHER_ENDPOINT}: {{subnet: subnet-0000000000000000b}}
      us-west-2: {{}}
  '{OTHER_ACCOUNT}':
    users:
      mallory: {{access_keys: {{AKIAMALLORY000000000: mallory-secret}}, policies: [everything]}}
    regions:
      {REGION}:
        vpcs:
          vpc-0000000000000000f:
            cidrs: [10.0.0.0/16]
            subnets: {{subnet-0000000000000000f: {{cidr: 10.0.0.0/20}}}}
        instances:
          {FOREIGN}: {{subnet: subnet-0000000000000000f, private_ip: 10.0.1.0, servers: {_SERVERS}}}
        endpoints:
          {FOREIGN_ENDPOINT}: {{subnet: subnet-0000000000000000f}}
"""
