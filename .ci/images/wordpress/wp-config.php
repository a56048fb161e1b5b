<?php
foreach (['DB_NAME' => 'wordpress', 'DB_USER' => 'wordpress', 'DB_PASSWORD' => '', 'DB_HOST' => 'mysql', 'DB_CHARSET' => 'utf8mb4'] as $name => $default) define($name, getenv("WORDPRESS_$name") ?: $default);
foreach (['AUTH_KEY', 'SECURE_AUTH_KEY', 'LOGGED_IN_KEY', 'NONCE_KEY', 'AUTH_SALT', 'SECURE_AUTH_SALT', 'LOGGED_IN_SALT', 'NONCE_SALT'] as $name) define($name, getenv("WORDPRESS_$name") ?: "put your unique phrase here");
// The lab reaches nothing outside.
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('DISABLE_WP_CRON', true);
if ($extra = getenv('WORDPRESS_CONFIG_EXTRA')) eval($extra);
$table_prefix = getenv('WORDPRESS_TABLE_PREFIX') ?: 'wp_';
if (!defined('ABSPATH')) define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
