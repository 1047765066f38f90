from wasmigrate import transform


# An example: the family names of the table `customer`. Write your own table and columns instead.
@transform(table="customer", derives={"family_name": "TEXT NOT NULL"})
def family_name(name: str) -> tuple[str]:
    """WHAT_IT_DOES"""
    return (name.strip().rpartition(" ")[2],)
