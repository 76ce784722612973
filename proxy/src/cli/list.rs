//! Lists of the admin port, as a table for people or as JSON.

use clap::ValueEnum;
use serde_json::Value;

use super::client::Client;
use super::failure::Failure;
use super::line::plain;
use super::output::Output;

/// How a list is said.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Listing {
    /// How to say it
    #[arg(short, long, value_enum, value_name = "FORM", default_value_t = Form::Line)]
    output: Form,
}

/// How a command says what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// For people
    #[value(alias = "text")]
    Line,
    /// One JSON object a line
    Json,
}

/// One column of a table.
pub(super) struct Column {
    title: &'static str,
    /// The first of these members that is there.
    members: &'static [&'static str],
    /// Characters that a usual value has; a longer one moves the rest of its row.
    width: usize,
}

/// A column of a table.
pub(super) const fn column(title: &'static str, members: &'static [&'static str], width: usize) -> Column {
    Column { title, members, width }
}

impl Listing {
    /// How it is to be said.
    pub(super) fn form(self) -> Form {
        self.output
    }

    /// What the admin port lists at a path.
    pub(super) fn ask(
        self,
        client: &Client,
        (path, query): (&str, &[(&str, &str)]),
        columns: &[Column],
        output: &mut Output,
    ) -> Result<(), Failure> {
        self.show(&client.get(path, query)?.json()?, columns, output)
    }

    /// What stands in `data` of an answer.
    pub(super) fn show(self, answer: &Value, columns: &[Column], output: &mut Output) -> Result<(), Failure> {
        let rows = answer.get("data").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if self.output == Form::Json {
            return rows.iter().try_for_each(|row| output.line(&row.to_string()));
        }
        output.line(&aligned(columns, |column| column.title.to_owned()))?;
        rows.iter().try_for_each(|row| output.line(&aligned(columns, |column| column.of(row))))
    }
}

impl Column {
    fn of(&self, row: &Value) -> String {
        self.members.iter().find_map(|member| text(row.get(member)?)).unwrap_or_else(|| "-".to_owned())
    }
}

/// Of a text, a number, or a list of texts; absent where there is none.
fn text(value: &Value) -> Option<String> {
    if let Some(texts) = value.as_array() {
        let texts: Vec<_> = texts.iter().filter_map(Value::as_str).map(plain).collect();
        return (!texts.is_empty()).then(|| texts.join(","));
    }
    value.as_str().map(plain).or_else(|| value.as_u64().map(|count| count.to_string()))
}

/// The last column is as long as its value.
fn aligned(columns: &[Column], text: impl Fn(&Column) -> String) -> String {
    let fields: Vec<_> =
        columns.iter().map(|column| format!("{:<width$}", text(column), width = column.width)).collect();
    fields.join("  ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_has_the_first_member_that_is_there_and_no_control_characters() {
        let columns =
            [column("WHO", &["email", "user_id"], 8), column("LOGIN", &["login"], 5), column("NOTE", &["note"], 0)];
        let row = |row: Value| aligned(&columns, |column| column.of(&row));
        assert_eq!(aligned(&columns, |column| column.title.to_owned()), "WHO       LOGIN  NOTE");
        assert_eq!(row(json!({ "email": "m@x", "user_id": "7", "login": ["pin", "sso:a"] })), "m@x       pin,sso:a  -");
        assert_eq!(
            row(json!({ "email": null, "user_id": "7", "login": [], "note": "a\u{1b}b" }))
                .chars()
                .filter(|c| c.is_control())
                .count(),
            0
        );
    }
}
