# Proof that recommendation.rego keeps away what it should, and nothing else.

package nightcart.recommendation_test

import data.nightcart.recommendation

import rego.v1

beer := {
	"department": "GROCERY",
	"category": "BEERS/ALES",
	"subcategory": "BEERALEMALT LIQUORS",
	"is_bought_before": false,
}

milk := {
	"department": "GROCERY",
	"category": "FLUID MILK PRODUCTS",
	"subcategory": "FLUID MILK WHITE ONLY",
	"is_bought_before": false,
}

but(kind, name, value) := object.union(kind, {name: value})

denied_by(kind) := object.keys(recommendation.denials(kind))

restricted := {"age_restricted_only_if_bought_before"}

sensitive := {"sensitive_only_if_bought_before"}

tobacco := {"no_tobacco"}

private := {"nothing_private"}

bought(kind) := but(kind, "is_bought_before", true)

test_beer_is_not_proposed if denied_by(beer) == restricted

test_beer_is_offered_again_to_who_bought_it if denied_by(bought(beer)) == set()

test_milk_is_for_everybody if denied_by(milk) == set()

test_department_is_enough if denied_by(but(milk, "department", "SPIRITS")) == restricted

test_category_is_enough if denied_by(but(milk, "category", "DOMESTIC WINE")) == restricted

test_subcategory_is_enough if denied_by(but(milk, "subcategory", "GIFT BASKETS BEER")) == restricted

test_small_letters_are_the_same if denied_by(but(milk, "category", "Domestic Wine")) == restricted

test_tobacco_is_for_nobody if denied_by(but(milk, "category", "CIGARETTES")) == tobacco

test_tobacco_is_not_offered_again if denied_by(bought(but(milk, "category", "CIGARETTES"))) == tobacco

test_chewing_tobacco_is_tobacco if denied_by(but(milk, "subcategory", "CHEWING TOBACCO")) == tobacco

test_lighters_are_tobacco if denied_by(bought(but(milk, "subcategory", "CIG LIGHTERS/LTR FLUID/PIPES"))) == tobacco

test_snuff_is_tobacco if denied_by(bought(but(milk, "subcategory", "SNUFF"))) == tobacco

test_tobacco_is_known_in_other_words if denied_by(bought(but(milk, "department", "Tabakwaren"))) == tobacco

test_tabasco_is_no_tobacco if denied_by(but(milk, "subcategory", "TABASCO SAUCE")) == set()

test_help_against_smoking_is_medicine if denied_by(but(milk, "category", "SMOKING CESSATIONS")) == sensitive

test_medicine_is_not_proposed if denied_by(but(milk, "category", "ANALGESICS")) == sensitive

test_medicine_is_offered_again if denied_by(bought(but(milk, "category", "ANALGESICS"))) == set()

test_medicine_is_known_elsewhere if denied_by(but(milk, "subcategory", "LAXATIVES")) == sensitive

test_what_is_for_babies_is_not_proposed if denied_by(but(milk, "category", "DIAPERS & DISPOSABLES")) == sensitive

test_what_is_for_babies_is_offered_again if denied_by(bought(but(milk, "category", "BABY FOODS"))) == set()

test_pregnancy_tests_are_for_nobody if {
	denied_by(bought(but(but(milk, "category", "FAMILY PLANNING"), "subcategory", "PREGNANCY TEST KITS"))) == private
}

test_what_is_private_is_known_elsewhere if denied_by(bought(but(milk, "subcategory", "PREGNANCY TEST KITS"))) == private

test_product_that_the_catalogue_says_nothing_of if {
	denied_by({"department": "", "category": "", "subcategory": "", "is_bought_before": false}) == set()
}
