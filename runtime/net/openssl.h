/*
 * OpenSSL, loaded where TLS or a certificate begins: it takes nearly as long
 * to load as lua5.4 takes to start and end, and scripts do without it.
 */
#ifndef HARP_NET_OPENSSL_H
#define HARP_NET_OPENSSL_H

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/library.h"

#define OPENSSL_FUNCTIONS(each) \
    each(ASN1_INTEGER_set_uint64) each(BIO_ctrl_pending) each(BIO_new) \
    each(BIO_read) each(BIO_s_mem) each(BIO_up_ref) each(BIO_write) \
    each(CRYPTO_free) each(CRYPTO_memcmp) each(ERR_clear_error) \
    each(ERR_get_error) each(ERR_peek_error) each(ERR_reason_error_string) \
    each(EVP_Digest) each(EVP_EncodeBlock) each(EVP_PKEY_Q_keygen) \
    each(EVP_PKEY_free) each(EVP_sha256) each(PEM_read_X509) \
    each(PEM_write_PrivateKey) each(PEM_write_X509) each(RAND_bytes) each(SHA256) each(SSL_CTX_ctrl) \
    each(SSL_CTX_free) each(SSL_CTX_get_ex_data) \
    each(SSL_CTX_load_verify_locations) each(SSL_CTX_new) \
    each(SSL_CTX_sess_set_new_cb) each(SSL_CTX_set_cert_verify_callback) \
    each(SSL_CTX_set_cipher_list) each(SSL_CTX_set_client_CA_list) \
    each(SSL_CTX_set_default_passwd_cb) each(SSL_CTX_set_ex_data) \
    each(SSL_CTX_set_info_callback) each(SSL_CTX_set_num_tickets) \
    each(SSL_CTX_set_options) each(SSL_CTX_set_verify) \
    each(SSL_CTX_use_PrivateKey_file) \
    each(SSL_CTX_use_certificate_chain_file) each(SSL_SESSION_dup) \
    each(SSL_SESSION_free) each(SSL_accept) each(SSL_alert_desc_string_long) \
    each(SSL_do_handshake) each(SSL_free) each(SSL_get_SSL_CTX) \
    each(SSL_get_error) each(SSL_get_rbio) each(SSL_get_wbio) \
    each(SSL_is_init_finished) each(SSL_load_client_CA_file) each(SSL_new) \
    each(SSL_read) each(SSL_session_reused) each(SSL_set_accept_state) \
    each(SSL_set_bio) each(SSL_set_connect_state) each(SSL_set_fd) \
    each(SSL_set_session) each(SSL_shutdown) each(SSL_write) \
    each(TLS_client_method) each(TLS_server_method) \
    each(X509V3_EXT_conf_nid) each(X509V3_set_ctx) each(X509_EXTENSION_free) \
    each(X509_NAME_add_entry_by_txt) each(X509_STORE_CTX_get0_cert) \
    each(X509_STORE_CTX_set_error) each(X509_add_ext) each(X509_digest) \
    each(X509_free) each(X509_get_X509_PUBKEY) each(X509_get_serialNumber) \
    each(X509_get_subject_name) each(X509_getm_notAfter) \
    each(X509_getm_notBefore) each(X509_gmtime_adj) each(X509_new) \
    each(X509_set_issuer_name) each(X509_set_pubkey) each(X509_set_version) \
    each(X509_sign) each(X509_verify_cert_error_string) each(i2d_X509_PUBKEY)

extern struct openssl_functions {
    OPENSSL_FUNCTIONS(LIBRARY_MEMBER)
} openssl_functions;

/* To be called before any of the functions; 0 also when it is loaded. */
int openssl_load(struct harp_error *error);

#define ASN1_INTEGER_set_uint64 openssl_functions.ASN1_INTEGER_set_uint64
#define BIO_ctrl_pending openssl_functions.BIO_ctrl_pending
#define BIO_new openssl_functions.BIO_new
#define BIO_read openssl_functions.BIO_read
#define BIO_s_mem openssl_functions.BIO_s_mem
#define BIO_up_ref openssl_functions.BIO_up_ref
#define BIO_write openssl_functions.BIO_write
#define CRYPTO_free openssl_functions.CRYPTO_free
#define CRYPTO_memcmp openssl_functions.CRYPTO_memcmp
#define ERR_clear_error openssl_functions.ERR_clear_error
#define ERR_get_error openssl_functions.ERR_get_error
#define ERR_peek_error openssl_functions.ERR_peek_error
#define ERR_reason_error_string openssl_functions.ERR_reason_error_string
#define EVP_Digest openssl_functions.EVP_Digest
#define EVP_EncodeBlock openssl_functions.EVP_EncodeBlock
#define EVP_PKEY_Q_keygen openssl_functions.EVP_PKEY_Q_keygen
#define EVP_PKEY_free openssl_functions.EVP_PKEY_free
#define EVP_sha256 openssl_functions.EVP_sha256
#define PEM_read_X509 openssl_functions.PEM_read_X509
#define PEM_write_PrivateKey openssl_functions.PEM_write_PrivateKey
#define PEM_write_X509 openssl_functions.PEM_write_X509
#define RAND_bytes openssl_functions.RAND_bytes
#define SHA256 openssl_functions.SHA256
#define SSL_CTX_ctrl openssl_functions.SSL_CTX_ctrl
#define SSL_CTX_free openssl_functions.SSL_CTX_free
#define SSL_CTX_get_ex_data openssl_functions.SSL_CTX_get_ex_data
#define SSL_CTX_load_verify_locations \
    openssl_functions.SSL_CTX_load_verify_locations
#define SSL_CTX_new openssl_functions.SSL_CTX_new
#define SSL_CTX_sess_set_new_cb openssl_functions.SSL_CTX_sess_set_new_cb
#define SSL_CTX_set_cert_verify_callback \
    openssl_functions.SSL_CTX_set_cert_verify_callback
#define SSL_CTX_set_cipher_list openssl_functions.SSL_CTX_set_cipher_list
#define SSL_CTX_set_client_CA_list openssl_functions.SSL_CTX_set_client_CA_list
#define SSL_CTX_set_default_passwd_cb \
    openssl_functions.SSL_CTX_set_default_passwd_cb
#define SSL_CTX_set_ex_data openssl_functions.SSL_CTX_set_ex_data
#define SSL_CTX_set_info_callback openssl_functions.SSL_CTX_set_info_callback
#define SSL_CTX_set_num_tickets openssl_functions.SSL_CTX_set_num_tickets
#define SSL_CTX_set_options openssl_functions.SSL_CTX_set_options
#define SSL_CTX_set_verify openssl_functions.SSL_CTX_set_verify
#define SSL_CTX_use_PrivateKey_file \
    openssl_functions.SSL_CTX_use_PrivateKey_file
#define SSL_CTX_use_certificate_chain_file \
    openssl_functions.SSL_CTX_use_certificate_chain_file
#define SSL_SESSION_dup openssl_functions.SSL_SESSION_dup
#define SSL_SESSION_free openssl_functions.SSL_SESSION_free
#define SSL_accept openssl_functions.SSL_accept
#define SSL_alert_desc_string_long openssl_functions.SSL_alert_desc_string_long
#define SSL_do_handshake openssl_functions.SSL_do_handshake
#define SSL_free openssl_functions.SSL_free
#define SSL_get_SSL_CTX openssl_functions.SSL_get_SSL_CTX
#define SSL_get_error openssl_functions.SSL_get_error
#define SSL_get_rbio openssl_functions.SSL_get_rbio
#define SSL_get_wbio openssl_functions.SSL_get_wbio
#define SSL_is_init_finished openssl_functions.SSL_is_init_finished
#define SSL_load_client_CA_file openssl_functions.SSL_load_client_CA_file
#define SSL_new openssl_functions.SSL_new
#define SSL_read openssl_functions.SSL_read
#define SSL_session_reused openssl_functions.SSL_session_reused
#define SSL_set_accept_state openssl_functions.SSL_set_accept_state
#define SSL_set_bio openssl_functions.SSL_set_bio
#define SSL_set_connect_state openssl_functions.SSL_set_connect_state
#define SSL_set_fd openssl_functions.SSL_set_fd
#define SSL_set_session openssl_functions.SSL_set_session
#define SSL_shutdown openssl_functions.SSL_shutdown
#define SSL_write openssl_functions.SSL_write
#define TLS_client_method openssl_functions.TLS_client_method
#define TLS_server_method openssl_functions.TLS_server_method
#define X509V3_EXT_conf_nid openssl_functions.X509V3_EXT_conf_nid
#define X509V3_set_ctx openssl_functions.X509V3_set_ctx
#define X509_EXTENSION_free openssl_functions.X509_EXTENSION_free
#define X509_NAME_add_entry_by_txt openssl_functions.X509_NAME_add_entry_by_txt
#define X509_STORE_CTX_get0_cert openssl_functions.X509_STORE_CTX_get0_cert
#define X509_STORE_CTX_set_error openssl_functions.X509_STORE_CTX_set_error
#define X509_add_ext openssl_functions.X509_add_ext
#define X509_digest openssl_functions.X509_digest
#define X509_free openssl_functions.X509_free
#define X509_get_X509_PUBKEY openssl_functions.X509_get_X509_PUBKEY
#define X509_get_serialNumber openssl_functions.X509_get_serialNumber
#define X509_get_subject_name openssl_functions.X509_get_subject_name
#define X509_getm_notAfter openssl_functions.X509_getm_notAfter
#define X509_getm_notBefore openssl_functions.X509_getm_notBefore
#define X509_gmtime_adj openssl_functions.X509_gmtime_adj
#define X509_new openssl_functions.X509_new
#define X509_set_issuer_name openssl_functions.X509_set_issuer_name
#define X509_set_pubkey openssl_functions.X509_set_pubkey
#define X509_set_version openssl_functions.X509_set_version
#define X509_sign openssl_functions.X509_sign
#define X509_verify_cert_error_string \
    openssl_functions.X509_verify_cert_error_string
#define i2d_X509_PUBKEY openssl_functions.i2d_X509_PUBKEY

#endif
