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

test_beer_is_not_proposed if denied_by(beer) == restricted

test_beer_is_offered_again_to_who_bought_it if denied_by(but(beer, "is_bought_before", true)) == set()

test_milk_is_for_everybody if denied_by(milk) == set()

test_department_is_enough if denied_by(but(milk, "department", "SPIRITS")) == restricted

test_category_is_enough if denied_by(but(milk, "category", "CIGARETTES")) == restricted

test_subcategory_is_enough if denied_by(but(milk, "subcategory", "CHEWING TOBACCO")) == restricted

test_small_letters_are_the_same if denied_by(but(milk, "category", "Cigarettes")) == restricted

test_help_against_smoking_is_for_everybody if denied_by(but(milk, "category", "SMOKING CESSATIONS")) == set()

test_product_that_the_catalogue_says_nothing_of if {
	denied_by({"department": "", "category": "", "subcategory": "", "is_bought_before": false}) == set()
}
