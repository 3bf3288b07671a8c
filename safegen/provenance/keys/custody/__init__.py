"""Where a signing key is kept: one module a custody, one vendor library a module.

| URI | custody | module |
| --- | --- | --- |
| `file:FOLDER`, `file:KEY?chain=CHAIN` | a file, perhaps encrypted | local |
| `env:PREFIX` | environment variables, as continuous integration keeps secrets | local |
| `pkcs11:token=T;object=O` | a hardware security module | token |
| `aws-kms:KEY?chain=CHAIN` | AWS Key Management Service | aws |
| `gcp-kms:projects/...?chain=CHAIN` | Google Cloud Key Management Service | gcp |
| `azure-kv:https://VAULT/keys/NAME?chain=CHAIN` | Azure Key Vault, Managed HSM | azure |

Each gives its certificates without touching the key, so that they can be looked at alone.
"""
