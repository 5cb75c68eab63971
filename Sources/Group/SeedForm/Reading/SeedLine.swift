import Records

/// A record as the parser hands it over: valid until the next one is read, and owning nothing.
///
/// Only the fields of its call have a meaning; the others are left from earlier records.
struct SeedLine: ~Copyable {
    /// `time` where there is none.
    static let noTime = UInt64.max

    var call = SeedCall.open
    /// The process; of a fork the parent.
    var pid: UInt32 = 0
    var child: UInt32 = 0
    /// Lies in the bytes that are read, or in the parser's own buffer if quotes had to be undone.
    var path = UnsafeRawBufferPointer(start: nil, count: 0)
    var access = SeedAccess.read
    var server = Endpoint(NetworkAddress(v4: 0), port: 0)
    var client = Endpoint(NetworkAddress(v4: 0), port: 0)
    /// Nanoseconds since 1970, or `noTime`.
    var time = SeedLine.noTime
}
