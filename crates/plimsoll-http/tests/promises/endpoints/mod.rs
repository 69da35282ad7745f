//! What a service answers about itself.

mod a_form_changes_only_with_its_version;
mod answers_come_while_nothing_else_does;
mod each_answer_has_its_form;
mod golden;
mod liveness_and_readiness_decide_where_requests_go;
mod many_who_ask_are_one_question;
mod only_operators_see_inside;
mod parts_of_the_service_are_told_beside_the_database;
mod site;
mod the_costliest_statements_are_told;
mod the_description_has_every_path;
