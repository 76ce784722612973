//! How a section of the file is declared.

/// Declares a section of the file.
///
/// Fields are read into [`Field`]s. Those after `later` are checked and then refused, unless they have their default;
/// the text says what to do meanwhile. `unread struct` is a section whose table is refused as a whole.
macro_rules! shape {
    ($(#[$doc:meta])* $visible:vis struct $name:ident { $($field:ident: $type:ty,)* }
     $(later { $($wait:ident: $wait_type:ty $(= $default:expr)? => $meanwhile:expr,)* })?) => {
        $(#[$doc])*
        #[derive(Debug)]
        $visible struct $name {
            /// Of the table's header or braces.
            pub(crate) table: $crate::text::Span,
            $(pub(crate) $field: $crate::shape::Field<$type>,)*
        }

        impl $crate::shape::Shape for $name {
            fn read(
                node: $crate::tree::Node,
                reading: &mut $crate::shape::Reading<'_>,
            ) -> Option<Self> {
                let known = &[$(stringify!($field),)* $($(stringify!($wait),)*)?];
                let mut table = $crate::shape::Table::open(node, known, reading)?;
                $($(
                    let defaults: &[$wait_type] = &[$($default)?];
                    table.refuse(stringify!($wait), defaults, $meanwhile, reading);
                )*)?
                $(let $field = table.take::<$type>(stringify!($field), reading);)*
                Some(Self { table: table.span, $($field,)* })
            }

            fn keys(
                path: &str,
                stage: $crate::shape::Stage,
                visit: &mut dyn FnMut(&str, $crate::shape::Stage),
            ) {
                $($crate::shape::visit_key::<$type>(path, stringify!($field), stage, visit);)*
                $($($crate::shape::visit_key::<$wait_type>(
                    path, stringify!($wait), $crate::shape::Stage::Later, visit,
                );)*)?
            }

            fn schema() -> serde_json::Value {
                $crate::shape::object([
                    $((stringify!($field), <$type as $crate::shape::Shape>::schema()),)*
                ])
            }
        }
    };
    ($(#[$doc:meta])* $visible:vis unread struct $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, PartialEq)]
        $visible struct $name;

        impl $crate::shape::Shape for $name {
            fn read(
                node: $crate::tree::Node,
                reading: &mut $crate::shape::Reading<'_>,
            ) -> Option<Self> {
                let mut table = $crate::shape::Table::open(node, &[$(stringify!($field)),*], reading)?;
                $(table.take::<$type>(stringify!($field), reading);)*
                Some(Self)
            }

            fn keys(
                path: &str,
                stage: $crate::shape::Stage,
                visit: &mut dyn FnMut(&str, $crate::shape::Stage),
            ) {
                $($crate::shape::visit_key::<$type>(path, stringify!($field), stage, visit);)*
            }
        }
    };
}
pub(crate) use shape;
