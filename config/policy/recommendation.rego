# What may stand in a household's list.
#
# Every night, before the lists are made, this file is asked once for each kind of place that a product can have: its
# department, category and subcategory in the catalogue, and whether the household bought the product before. A kind
# that a rule denies is left out of the lists, and the next best product takes its place. Before the lists are let out,
# it is asked again for every kind that stands in them.
#
# How to read, change and test it: docs/policy.md.

package nightcart.recommendation

import rego.v1

# ── What is age-restricted ────────────────────────────────────────────────────────────────────────────────────────────

# The catalogue's own words, in capitals: a product is restricted if any of the three is listed. These are the demo's;
# another retailer puts its own here. What the catalogue does not say cannot be listed: a product without a department,
# category and subcategory is not restricted.

restricted_departments := {"SPIRITS"}

# Alcohol, tobacco, fireworks. Whole categories, with what is harmless in them (beer without alcohol, salt for
# margaritas): to leave that out costs a place or two, the other mistake a fine. Help against smoking is not among them.
restricted_categories := {
	"BEERS/ALES",
	"CIGARETTES",
	"CIGARS",
	"DOMESTIC WINE",
	"FIREWORKS",
	"IMPORTED WINE",
	"LIQUOR",
	"MISC WINE",
	"TOBACCO OTHER",
}

# The same where they stand in other categories, such as gift baskets.
restricted_subcategories := {
	"AGE RESTRICTED FIREWORKS",
	"BEERALEMALT LIQUORS",
	"CHEWING TOBACCO",
	"CIG LIGHTERS/LTR FLUID/PIPES",
	"CIGARETTES",
	"GIFT BASKETS BEER",
	"VODKAS(42 UNDER PROOF)",
}

# ── The rules ─────────────────────────────────────────────────────────────────────────────────────────────────────────

rules := {"kind_is_described", "age_restricted_only_if_bought_before"}

# The question says of each kind all that the rules ask.
denial("kind_is_described", kind) := "its department, category, subcategory or history is not told" if {
	not is_described(kind)
}

# Who is of age is not known. A household that bought the very product before was old enough then, and is reminded of
# nothing new; to any other it is not shown, neither as a discovery nor among the best sellers.
denial("age_restricted_only_if_bought_before", kind) := sprintf(
	"%s / %s / %s is age-restricted, and recommended only to households that bought it before",
	[kind.department, kind.category, kind.subcategory],
) if {
	is_restricted(kind)
	kind.is_bought_before != true
}

# ── The answer ────────────────────────────────────────────────────────────────────────────────────────────────────────

default allow := false

allow if count(deny) == 0

deny contains {"rule": rule, "says": says, "kind": kind} if {
	some kind in input.kinds
	some rule, says in denials(kind)
}

# Without kinds there is no question.
deny contains {"rule": "kind_is_described", "says": "the question has no kinds", "kind": {}} if not is_array(input.kinds)

denials(kind) := {rule: says | some rule in rules
	says := denial(rule, kind)
}

# ── What the rules above are written with ─────────────────────────────────────────────────────────────────────────────

is_described(kind) if {
	is_string(kind.department)
	is_string(kind.category)
	is_string(kind.subcategory)
	is_boolean(kind.is_bought_before)
}

is_restricted(kind) if upper(kind.department) in restricted_departments

is_restricted(kind) if upper(kind.category) in restricted_categories

is_restricted(kind) if upper(kind.subcategory) in restricted_subcategories
