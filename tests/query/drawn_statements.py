"""Statements by chance, from few names: so few that every scope shadows and confuses another."""

import re
from random import Random

# Names of tables, columns, functions and system columns, all in one bag on purpose.
NAMES = [
    "orders", "customers", "products", "a", "b", "lower", "to_jsonb", "pg_typeof", "order_id",
    "customer_id", "name", "note", "email", "xmin", "key", "value", "text", "quantity", "line_no",
]  # fmt: skip
TABLES = ["orders", "customers", "order_items", "order_items", "public.orders", "a", "products"]
FUNCTIONS = [
    "unnest(array[1, 2])", "unnest(array[{0}])", "unnest({0})", "generate_series(1, 2)",
    "jsonb_each('{{}}')", "jsonb_array_elements('[1]')", "lower({0}::text)", "coalesce({0}, {0})",
    "current_date", "rows from (lower('A'), generate_series(1, 2))", "cast({0} as text)",
]  # fmt: skip


class Draw:
    """One statement from one source of chance."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        # Names that the statement has given to something, so that references often find it.
        self.tables = ["orders", "order_items"]
        self.columns = ["order_id", "quantity"]

    def name(self) -> str:
        return self.chance.choice(NAMES)

    def one_of(self, *texts: str) -> str:
        return self.chance.choice(texts)

    def maybe(self, text: str, share: float = 0.5) -> str:
        return text if self.chance.random() < share else ""

    def given(self, names: list[str]) -> str:
        """Return a name that is known to be somewhere, mostly a late one, or any."""
        recent = self.chance.choice(names[-4:])
        return recent if self.chance.random() < 0.85 else self.name()

    def reference(self) -> str:
        column = self.given(self.columns)
        if self.chance.random() < 0.4:
            return column
        return f"{self.maybe('public.', 0.03)}{self.given(self.tables)}.{column}"

    def new_table(self) -> str:
        self.tables.append(self.name())
        return self.tables[-1]

    def new_columns(self, names: list[str]) -> str:
        self.columns += names
        return ", ".join(names)

    def expression(self, depth: int) -> str:
        kind = self.chance.randrange(16 if depth > 0 else 9)
        if kind < 8:
            return self.reference()
        inner = self.expression(depth - 1) if depth > 0 else "1"
        return [
            "1",
            f"lower({inner}::text)",
            f"to_jsonb({inner})",
            f"({inner}).{self.name()}"
            if self.chance.random() < 0.2
            else f"coalesce({inner}, null)",
            f"(select {inner} from {self.from_item(depth - 1)} limit 1)" if depth > 0 else "2",
            f"(select exists ({self.select(depth - 1)}))" if depth > 0 else "true",
            f"array(select {inner})",
            f"case when true then {inner} end",
        ][kind - 8]

    def aliases(self) -> str:
        if self.chance.random() < 0.6:
            return ""
        names = self.chance.sample(NAMES, self.chance.choice([1, 1, 2, 3]))
        return f"({self.new_columns(names)})"

    def from_item(self, depth: int) -> str:
        kind = self.chance.randrange(9 if depth > 0 else 4)
        if kind < 3:
            table = self.chance.choice([*TABLES, self.given(self.tables)])
            if self.chance.random() < 0.5:
                self.tables.append(table.removeprefix("public."))
                return table
            return f"{table} as {self.new_table()}{self.aliases()}"
        if kind == 3:
            call = self.chance.choice(FUNCTIONS).format(self.reference())
            alias = f"{self.maybe(' with ordinality', 0.2)} as {self.new_table()}"
            self.columns.append(self.tables[-1])
            return call + alias + self.aliases()
        if kind < 6:
            inner = f"{self.maybe('lateral ')}({self.select(depth - 1)})"
            return f"{inner} as {self.new_table()}{self.aliases()}"
        return self.join(depth)

    def join(self, depth: int) -> str:
        left, right = self.from_item(depth - 1), self.from_item(depth - 1)
        form = self.chance.randrange(4)
        if form == 0:
            text = f"{left} natural join {right}"
        elif form == 1:
            using = f"using ({self.given(self.columns)})"
            text = f"{left} join {right} {using}" + self.maybe(f" as {self.new_table()}", 0.3)
        elif form == 2:
            text = f"{left} cross join {right}"
        else:
            text = f"{left} left join {right} on ({self.expression(1)}) is null"
        if self.chance.random() < 0.6:
            return f"({text})"
        return f"({text}) as {self.new_table()}{self.aliases()}"

    def target(self, depth: int) -> str:
        kind = self.chance.randrange(8)
        if kind == 0:
            return "*"
        if kind == 1:
            return f"{self.given(self.tables)}.*"
        text = self.expression(depth)
        if self.chance.random() < 0.5:
            return text
        return f"{text} as {self.new_columns([self.name()])}"

    def select(self, depth: int) -> str:
        queries = ""
        if self.chance.random() < 0.25:
            word = self.maybe("recursive ", 0.3)
            inner = self.select(depth - 1) if depth > 0 else "select 1 as key"
            queries = f"with {word}{self.new_table()}{self.aliases()} as ({inner}) "
        if depth > 0 and self.chance.random() < 0.12:
            return f"{queries}({self.select(0)}) union all ({self.select(depth - 1)})"
        # FROM first: what it names is what the rest of the statement can refer to.
        items = ", ".join(self.from_item(depth) for _ in range(self.chance.choice([0, 1, 1, 1, 2])))
        targets = ", ".join(self.target(depth) for _ in range(self.chance.choice([1, 1, 2])))
        text = f"{queries}select {targets}" + (f" from {items}" if items else "")
        text += self.maybe(f" where ({self.expression(depth - 1)}) is not null", 0.3)
        text += self.maybe(f" group by {self.name()}", 0.1)
        return text + self.maybe(f" order by {self.expression(0)}", 0.2)


def draw_statement(chance: Random) -> str:
    """Return a statement that is often wrong, and now and then means something surprising."""
    return Draw(chance).select(chance.choice([1, 2, 2, 3]))


_NAME = re.compile(r"\b(?:" + "|".join(sorted(NAMES)) + r")\b")


def renamed_once(chance: Random, text: str) -> str:
    """Return the statement with one of its names replaced: a near miss of what it meant."""
    places = list(_NAME.finditer(text))
    if not places:
        return text
    place = chance.choice(places)
    others = [other.group() for other in places] + NAMES
    return text[: place.start()] + chance.choice(others) + text[place.end() :]
