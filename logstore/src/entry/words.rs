//! The closed lists: every value that an enumerated field may have.
//!
//! A stored word is never renamed or removed; a new one is added at the end of its list, `REASONS` by group.

/// States of an attempt.
pub const ATTEMPT_STATUS: &[&str] = &["initiated", "pending", "success", "failure"];

/// What was attempted.
pub const ATTEMPT_ACTIONS: &[&str] = &["login", "logout", "reauth", "revoke"];

/// How an attempt ended.
pub const RESULTS: &[&str] = &["success", "failed", "rate_limited"];

/// By what kind of credential.
pub const METHODS: &[&str] = &["sso", "password", "pin", "header", "token", "code", "ip", "none"];

/// Who a circuit is for.
pub const POLICIES: &[&str] = &["public", "members", "allowlist"];

/// What became of a request.
pub const REQUEST_ACTIONS: &[&str] = &["allowed", "blocked"];

/// Who wrote the answer.
pub const ORIGINS: &[&str] = &["backend", "auth", "rule", "no_route", "proxy_error"];

/// Who acted.
pub const ACTOR_TYPES: &[&str] = &["user", "token", "system"];

/// Areas of administration.
pub const ACTION_TYPES: &[&str] = &["authentication", "proxy", "user", "token", "policy", "security", "admin"];

/// What was acted upon.
pub const RESOURCE_TYPES: &[&str] = &[
    "circuit",
    "project",
    "user",
    "session",
    "api_token",
    "config",
    "secret",
    "ban",
    "grant",
    "auth",
    "admin",
    "system",
    "log",
];

/// How an act of administration ended.
pub const AUDIT_STATUS: &[&str] = &["success", "failed", "denied", "error", "alert"];

/// Why a request or an attempt was refused or failed.
pub const REASONS: &[&str] = &[
    // Address rules
    "ip_restricted",
    "country_restricted",
    "geo_unavailable",
    "bot_blocked",
    "reputation_ban",
    "reputation_unavailable",
    // Credentials
    "no_credentials",
    "invalid_password",
    "invalid_pin",
    "invalid_header",
    "invalid_token",
    "token_expired",
    "token_disabled",
    "code_expired",
    "sso_error",
    "sso_state_invalid",
    "email_not_verified",
    "domain_not_allowed",
    "missing_session",
    "session_expired",
    "session_revoked",
    // Authorization
    "not_project_member",
    "not_on_allowlist",
    "not_in_group",
    "user_blocked",
    "pending_approval",
    "user_locked",
    "user_not_found",
    "account_mismatch",
    "approval_required",
    "hook_denied",
    "hook_unavailable",
    // Limits
    "rate_limited_ip",
    "rate_limited_user",
    "too_many_in_flight",
    // Circuit state
    "circuit_not_found",
    "circuit_disabled",
    "circuit_expired",
    "no_policy",
    // Backend
    "backend_refused",
    "backend_unreachable",
    "backend_timeout",
    "backend_tls_error",
    "client_closed",
    // Front
    "log_unavailable",
    "abandoned",
    "invalid_credentials",
    "invalid_code",
    "second_factor_required",
    "second_factor_failed",
    "ip_banned",
    "rate_limited_circuit",
    "failed_answers",
    "malformed_request",
    "head_too_large",
    "head_timeout",
    "connection_limit",
    "body_too_large",
    "misdirected",
    "loop_detected",
    "tls_required",
    "provider_unavailable",
    "cross_site",
    "hash_queue_full",
    "grant_expired",
];
