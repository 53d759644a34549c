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

# ── What is ruled by its place in the catalogue ───────────────────────────────────────────────────────────────────────

# The catalogue's own words, in capitals: a product falls under a rule if any of its three places is listed. These are the
# demo's; another retailer puts its own here. What the catalogue does not say cannot be listed: a product without a
# department, category and subcategory falls under none.

# Tobacco may not be advertised in most countries, and a personal list is advertising. Because it is the law, it is known
# by parts of words too, so that a catalogue that nobody has gone through is not the exception: cigarettes, cigars and
# tobacco in English, French, German, Spanish, Italian, Dutch and Polish. (Tabasco has another letter.)
tobacco_words := "CIGAR|PAPIEROS|SIGAR|TABAC|TABAK|TOBACCO|ZIGAR"

# What the words do not tell. Lighters, pipes and papers are for smokers, and stand with tobacco; the demo's "tobacco
# other" has candles and charcoal fluid in it, which are lost with it: a place or two against a fine.
tobacco_subcategories := {"CIG LIGHTERS/LTR FLUID/PIPES", "SNUFF"}

# What others in the household, or whoever looks over a shoulder, need not read: not even as a reminder of one's own.
private_categories := {"ADULT INCONTINENCE", "FAMILY PLANNING"}

private_subcategories := {
	"FEM YEAST TREATMENTS",
	"FEMALE CONTRACEPTIVES",
	"HEMORRHOIDAL",
	"LICE TREATMENTS",
	"MISC FEMININE HYGIENE MEDICATE",
	"PREGNANCY TEST KITS",
	"PROPHYLACTICS",
}

# Alcohol, fireworks. Whole categories, with what is harmless in them (beer without alcohol, salt for margaritas): to leave
# that out costs a place or two, the other mistake a fine.
restricted_departments := {"SPIRITS"}

restricted_categories := {
	"BEERS/ALES",
	"DOMESTIC WINE",
	"FIREWORKS",
	"IMPORTED WINE",
	"LIQUOR",
	"MISC WINE",
}

# The same where they stand in other categories, such as gift baskets; and what the catalogue itself calls restricted.
restricted_subcategories := {
	"AGE RESTRICTED DVD S",
	"AGE RESTRICTED FIREWORKS",
	"AGE RESTRICTED SPHE $9.99",
	"AGE RESTRICTED SPHE DVDS",
	"BEERALEMALT LIQUORS",
	"COLD AND FLU (AGE RESTRICTED)",
	"GIFT BASKETS BEER",
	"VODKAS(42 UNDER PROOF)",
}

# Medicine, help against smoking, what is for babies, and hygiene: to propose it says that one takes a household for ill, or
# for expecting a child, and it may be right before the household has told anybody.
sensitive_departments := {"PHARMACY"}

sensitive_categories := {
	"ANALGESICS",
	"ANTACIDS",
	"BABY FOODS",
	"BABY HBC",
	"BABYFOOD",
	"COLD AND FLU",
	"DIAPERS & DISPOSABLES",
	"DIETARY AID PRODUCTS",
	"FEMININE HYGIENE",
	"HOME HEALTH CARE",
	"INFANT CARE PRODUCTS",
	"INFANT FORMULA",
	"LAXATIVES",
	"PHARMACY",
	"SINUS AND ALLERGY",
	"SMOKING CESSATIONS",
}

# The same where the catalogue has put them elsewhere.
sensitive_subcategories := {
	"ADULT ANALGESICS",
	"ANTI-ACIDS",
	"BABY CEREAL",
	"BABY CRACKERS",
	"BABY DIAPERS",
	"BABY FOOD",
	"BABY FOOD - BEGINNER",
	"BABY FOOD JUNIOR ALL BRANDS",
	"BABY JUICES",
	"BABY PRODUCTS",
	"COLD AND FLU",
	"COLD AND FLU - DXM",
	"COLD AND FLU - PSE",
	"FIRST AID MEDICATIONS",
	"LAXATIVES",
	"MENSTRUAL ANALGESICS",
	"MISC. OTC MEDICINES",
	"MISC. BABY PRODUCTS",
	"PEDIATRIC ANALGESICS",
	"SINUS AND ALLERGY",
	"SLEEPING AIDS",
}

# ── The rules ─────────────────────────────────────────────────────────────────────────────────────────────────────────

rules := {
	"no_tobacco",
	"nothing_private",
	"age_restricted_only_if_bought_before",
	"sensitive_only_if_bought_before",
}

# Tobacco is recommended to nobody, whatever the household buys. Another retailer, in a country where it may, takes the
# rule out of the set above, or adds `kind.is_bought_before != true` below.
denial("no_tobacco", kind) := sprintf(
	"%s / %s / %s is tobacco, which is recommended to nobody",
	[kind.department, kind.category, kind.subcategory],
) if {
	is_tobacco(kind)
}

# Nor is what is nobody else's business.
denial("nothing_private", kind) := sprintf(
	"%s / %s / %s is private, and recommended to nobody",
	[kind.department, kind.category, kind.subcategory],
) if {
	is_private(kind)
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

# A household that bought the very product before needs no telling; any other is not told what it might need.
denial("sensitive_only_if_bought_before", kind) := sprintf(
	"%s / %s / %s is sensitive, and recommended only to households that bought it before",
	[kind.department, kind.category, kind.subcategory],
) if {
	is_sensitive(kind)
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

is_tobacco(kind) if {
	regex.match(tobacco_words, upper(concat(" / ", [kind.department, kind.category, kind.subcategory])))
}

is_tobacco(kind) if upper(kind.subcategory) in tobacco_subcategories

is_private(kind) if upper(kind.category) in private_categories

is_private(kind) if upper(kind.subcategory) in private_subcategories

is_restricted(kind) if upper(kind.department) in restricted_departments

is_restricted(kind) if upper(kind.category) in restricted_categories

is_restricted(kind) if upper(kind.subcategory) in restricted_subcategories

is_sensitive(kind) if upper(kind.department) in sensitive_departments

is_sensitive(kind) if upper(kind.category) in sensitive_categories

is_sensitive(kind) if upper(kind.subcategory) in sensitive_subcategories
