//! Answers that are gathered, for those who need all of one at once.

use super::AnswerBody;
use crate::fault::Fault;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;

impl AnswerBody {
    /// All of it, up to a bound.
    pub(crate) async fn whole(self, bytes_max: usize) -> Result<Bytes, Fault> {
        let too_large = || Fault::AnswerTooLarge { bytes_max: bytes_max as u64 };
        let bytes = match self {
            Self::Empty => Bytes::new(),
            Self::Bytes(bytes) => bytes,
            Self::Stream(mut chunks) => {
                let mut all = BytesMut::new();
                while let Some(chunk) = chunks.next().await.transpose()? {
                    if bytes_max < all.len() + chunk.len() {
                        return Err(too_large());
                    }
                    all.extend_from_slice(&chunk);
                }
                all.freeze()
            }
        };
        if bytes_max < bytes.len() { Err(too_large()) } else { Ok(bytes) }
    }
}
