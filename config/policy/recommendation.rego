# What may stand in a household's list.
#
# Every night, before the lists are made, this file is asked about every place in the catalogue that is sold from: a
# department, category and subcategory. It answers which kinds of product are denied: a kind is a place, and whether the
# household bought the product before. A kind that is denied is left out of the lists, and the next best product takes
# its place. Before the lists are let out, it is asked again about every place that they name.
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

rules := {"age_restricted_only_if_bought_before"}

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

# The question has the places as departments with their categories with their subcategories, each by name, which is
# empty where the catalogue has none.
deny contains {"rule": rule, "says": says, "kind": kind} if {
	some department, categories in input.places
	some category, subcategories in categories
	some subcategory in subcategories
	some is_bought_before in [false, true]
	kind := {
		"department": department,
		"category": category,
		"subcategory": subcategory,
		"is_bought_before": is_bought_before,
	}
	some rule in rules
	says := denial(rule, kind)
}

deny contains {"rule": "question_is_complete", "says": "the question has no places", "kind": {}} if {
	not is_object(input.places)
}

default allow := false

# Nothing of what was asked about is denied.
allow if count(deny) == 0

denials(kind) := {rule: says |
	some rule in rules
	says := denial(rule, kind)
}

# ── What the rules above are written with ─────────────────────────────────────────────────────────────────────────────

is_restricted(kind) if upper(kind.department) in restricted_departments

is_restricted(kind) if upper(kind.category) in restricted_categories

is_restricted(kind) if upper(kind.subcategory) in restricted_subcategories
