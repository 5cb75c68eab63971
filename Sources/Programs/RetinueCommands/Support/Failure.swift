/// What the exit status of `retinue` means. Stable: scripts rely on it.
enum ExitStatus {
    /// The answer is there, and it is yes.
    static let success: Int32 = 0
    /// The answer is no, or the input was wrong.
    static let negative: Int32 = 1
    /// A file or a name that was given is not what it should be, where 1 would be an answer.
    static let badInput: Int32 = 2
    /// No daemon answers.
    static let unreachable: Int32 = 3
}

/// The end of a command: a sentence for stderr and the exit status.
struct Failure: Error, Equatable {
    let message: String
    /// What stands below the sentence, a line each, fit for a terminal: choices, names.
    let details: [String]
    let status: Int32

    init(_ message: String, details: [String] = [], status: Int32 = ExitStatus.negative) {
        self.message = message
        self.details = details
        self.status = status
    }
}

/// The reader of the output has what it wanted and left (EPIPE): an end without a word.
struct ReaderGone: Error {}
