//! Text as bytes and back, as functions that the prelude makes `TextEncoder` and `TextDecoder` of.

use rquickjs::{Ctx, Exception, Function, Object, Result, TypedArray};

/// Adds the functions to the object that the prelude takes.
pub(crate) fn offer<'js>(ctx: &Ctx<'js>, host: &Object<'js>) -> Result<()> {
    host.set("encode", Function::new(ctx.clone(), encode)?)?;
    host.set("decode", Function::new(ctx.clone(), decode)?)
}

fn encode<'js>(ctx: Ctx<'js>, text: String) -> Result<TypedArray<'js, u8>> {
    TypedArray::new_copy(ctx, text.as_bytes())
}

fn decode<'js>(ctx: Ctx<'js>, bytes: TypedArray<'js, u8>, is_fatal: bool) -> Result<String> {
    let bytes = bytes.as_bytes().unwrap_or_default();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match (std::str::from_utf8(bytes), is_fatal) {
        (Ok(text), _) => Ok(text.to_owned()),
        (Err(_), false) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        (Err(error), true) => Err(Exception::throw_type(
            &ctx,
            &format!("byte {} is not UTF-8", error.valid_up_to()),
        )),
    }
}
