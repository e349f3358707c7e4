//! Path parameters of a call.

/// Path parameters of a call: tuples, arrays and `Vec`s of what can be
/// displayed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the path parameters of a call",
    label = "no parameters",
    note = "write a tuple in the order of the pattern: `.params((40, 2))`, or one at a time: `.param(40)`"
)]
pub trait IntoParams {
    /// The parameters as text.
    fn into_params(self) -> Vec<String>;
}

impl IntoParams for () {
    fn into_params(self) -> Vec<String> {
        Vec::new()
    }
}

impl<T: ToString> IntoParams for Vec<T> {
    fn into_params(self) -> Vec<String> {
        self.iter().map(T::to_string).collect()
    }
}

impl<T: ToString, const N: usize> IntoParams for [T; N] {
    fn into_params(self) -> Vec<String> {
        self.iter().map(T::to_string).collect()
    }
}

macro_rules! tuples {
    ($(($($generic:ident $index:tt),*);)*) => {$(
        impl<$($generic: ToString),*> IntoParams for ($($generic,)*) {
            fn into_params(self) -> Vec<String> {
                vec![$(self.$index.to_string()),*]
            }
        }
    )*};
}

tuples! {
    (A 0);
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
    (A 0, B 1, C 2, D 3, E 4);
    (A 0, B 1, C 2, D 3, E 4, F 5);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
}
